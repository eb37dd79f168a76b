"""Models, training and generation with MLX. Importing this package loads MLX.

Processes without MLX must not import it.
"""

from app.engine.runtime.mlx_import import load_mlx

load_mlx()
