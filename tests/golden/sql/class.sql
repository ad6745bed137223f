-- theme.isa=Drought
document.classes && %(param_1)s::TEXT[]
-- param_1 = ['https://w3id.org/dafab/ontology#AgriculturalDrought', 'https://w3id.org/dafab/ontology#Drought', 'https://w3id.org/dafab/ontology#HydrologicalDrought']
