-- geom.disjoint=11_50_12_51
NOT ST_Intersects(document.geometry, ST_GeomFromWKB(%(param_1)s, 4326))
-- param_1 = POLYGON ((12 50, 12 51, 11 51, 11 50, 12 50))
