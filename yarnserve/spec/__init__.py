"""service.yaml -> ServiceSpec. Pure: text and a reader of neighbouring files go in, records or a SpecError come out."""
