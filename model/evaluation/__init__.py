"""What a trained model can do: tasks in context, their prompts, their scores."""
