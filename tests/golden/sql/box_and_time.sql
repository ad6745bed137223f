-- geom.intersects=11_50_12_51,datetime.gte=2026-06-01,datetime.lt=2026-07-01
document.start >= %(param_1)s::TIMESTAMP WITH TIME ZONE AND document."end" < %(param_2)s::TIMESTAMP WITH TIME ZONE AND (tstzrange(document.start, document."end", '[]') && tstzrange(%(param_3)s::TIMESTAMP WITH TIME ZONE, %(param_4)s::TIMESTAMP WITH TIME ZONE, '[]')) AND (document.geometry && ST_GeomFromWKB(%(param_5)s, 4326)) AND ST_Intersects(document.geometry, ST_GeomFromWKB(%(param_5)s, 4326))
-- param_1 = datetime.datetime(2026, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- param_2 = datetime.datetime(2026, 7, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- param_3 = datetime.datetime(2026, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- param_4 = datetime.datetime(2026, 7, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- param_5 = POLYGON ((12 50, 12 51, 11 51, 11 50, 12 50))
