-- eo:cloud_cover<20,platform=S2A,relative_orbit.in=8|51
document.eo_cloud_cover < %(param_1)s AND document.platform = %(platform_1)s::VARCHAR AND document.sat_relative_orbit IN (%(param_2)s::BIGINT, %(param_3)s::BIGINT)
-- param_1 = 20.0
-- platform_1 = 'S2A'
-- param_2 = 8
-- param_3 = 51
