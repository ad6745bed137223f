"""Rucio's schema hook: nothing is changed. Without this module Rucio warns at every start that it is missing."""

from rucio.common.schema.generic import SCOPE_NAME_REGEXP

__all__ = ["SCOPE_NAME_REGEXP"]
