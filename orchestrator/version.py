"""The one place that names this project's version; read by the build, `tfo --version` and the agent's Hello."""

__version__ = "0.1.0"
