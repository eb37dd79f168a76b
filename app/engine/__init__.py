"""Models, training and generation with MLX, which is loaded here: before any module that names it.

Processes without MLX import nothing of this package.
"""

from app.engine.runtime.mlx_import import load_mlx

load_mlx()
