-- gsd=10;gsd=20,name=S2*
document.gsd = %(param_1)s OR document.gsd = %(param_2)s AND document.name LIKE %(param_3)s::VARCHAR
-- param_1 = 10.0
-- param_2 = 20.0
-- param_3 = 'S2%'
