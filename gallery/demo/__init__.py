"""`gallery demo`: makes a gallery of photographs and sends it through the local stack."""
