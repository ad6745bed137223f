-- geom.dwithin=POINT(6.1 49.6)|5km
(document.geometry && ST_MakeEnvelope(%(ST_MakeEnvelope_1)s, %(ST_MakeEnvelope_2)s, %(ST_MakeEnvelope_3)s, %(ST_MakeEnvelope_4)s, %(ST_MakeEnvelope_5)s::INTEGER)) AND ST_DWithin(CAST(document.geometry AS geography(GEOMETRY,4326)), CAST(ST_GeomFromWKB(%(param_1)s, 4326) AS geography(GEOMETRY,4326)), %(param_2)s)
-- ST_MakeEnvelope_1 = 6.029462645992788
-- ST_MakeEnvelope_2 = 49.554326174184524
-- ST_MakeEnvelope_3 = 6.1705373540072115
-- ST_MakeEnvelope_4 = 49.64567382581548
-- ST_MakeEnvelope_5 = 4326
-- param_1 = POINT (6.1 49.6)
-- param_2 = 5000.0
