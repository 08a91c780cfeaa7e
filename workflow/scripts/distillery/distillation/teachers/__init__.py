"""Teachers: trained or adopted, tested, and the labels that they give."""
