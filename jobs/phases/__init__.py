"""What a build does whatever it makes: the recipe, the phases that compare, and how a phase is cut."""
