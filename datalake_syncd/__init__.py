"""Carries finished instrument runs to Azure Blob storage and proves them there."""

__version__ = "0.4.0"
