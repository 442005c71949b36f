"""Reports: tables, figures and one self-contained page of what a study found."""
