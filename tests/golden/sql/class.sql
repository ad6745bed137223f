-- theme.isa=Drought
document.classes && %(param_1)s::TEXT[]
-- param_1 = ['http://purl.obolibrary.org/obo/ENVO_1000745', 'http://sweetontology.net/phenPlanetClimate/Drought', 'https://w3id.org/dafab/ontology#AgriculturalDrought', 'https://w3id.org/dafab/ontology#Drought', 'https://w3id.org/dafab/ontology#HydrologicalDrought', 'https://w3id.org/dafab/ontology#MeteorologicalDrought']
