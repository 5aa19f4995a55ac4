import torch

# The models are so small that threads cost more than they bring, and the tests run beside others.
torch.set_num_threads(1)
