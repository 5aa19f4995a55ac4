"""Where the packages meet: recipes, the engine, the command line."""
