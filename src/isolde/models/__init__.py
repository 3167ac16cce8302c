"""The pretrained networks: catalogue, graph, masker; it never downloads."""
