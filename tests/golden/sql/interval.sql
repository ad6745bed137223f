-- datetime=2026-06-01/2026-06-30
document.start IS NOT NULL AND document.start <= %(param_1)s::TIMESTAMP WITH TIME ZONE AND document."end" >= %(param_2)s::TIMESTAMP WITH TIME ZONE AND (tstzrange(document.start, document."end", '[]') && tstzrange(%(param_3)s::TIMESTAMP WITH TIME ZONE, %(param_4)s::TIMESTAMP WITH TIME ZONE, '[]'))
-- param_1 = datetime.datetime(2026, 6, 30, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
-- param_2 = datetime.datetime(2026, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- param_3 = datetime.datetime(2026, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- param_4 = datetime.datetime(2026, 6, 30, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
