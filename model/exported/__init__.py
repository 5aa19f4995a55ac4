"""A trained model as transformers has models: its config, its class, its processor, and a folder that others load."""
