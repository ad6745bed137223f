-- geom.dwithin=POINT(6.1 49.6)|5km
ST_DWithin(CAST(document.geometry AS geography(GEOMETRY,4326)), CAST(ST_GeomFromWKB(%(param_1)s, 4326) AS geography(GEOMETRY,4326)), %(param_2)s)
-- param_1 = POINT (6.1 49.6)
-- param_2 = 5000.0
