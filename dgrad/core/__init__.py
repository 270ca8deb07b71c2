"""The engine: Tensor, nodes, ops and the backward walk. It knows no op by name."""
