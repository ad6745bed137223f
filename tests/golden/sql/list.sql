-- instruments.contains=msi&olci
document.instruments @> %(param_1)s::TEXT[]
-- param_1 = ['msi', 'olci']
