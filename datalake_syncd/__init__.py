"""Carries finished instrument runs to Azure Blob storage and proves them there."""

__version__ = "0.5.0"
