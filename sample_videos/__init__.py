"""The sample films (`films`) and the synthetic world that shoots them (`world`)."""
