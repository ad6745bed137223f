"""What the bodies of our requests share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Scope = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,25}$")]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,250}$")]


class Body(BaseModel):
    """A JSON object of known members, none of which is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DidBody(BaseModel):
    """A DID; what else is said of it is not looked at."""

    model_config = ConfigDict(strict=True)

    scope: Scope
    name: Name
