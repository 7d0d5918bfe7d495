"""Studies: many recipes trained, scored and compared."""
