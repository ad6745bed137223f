"""Files that a scene's metadata names: inside the scene's folder, or refused."""

from pathlib import Path

from rucio_dafab.eo.errors import SceneError


def inside(folder: Path, relative: str, named_by: str) -> Path:
    """Return the path of a file that the metadata names, whether it is there or not.

    Args:
        folder: the scene's folder.
        relative: the path as the metadata has it, relative to the folder.
        named_by: what names it, for the message.

    Raises:
        SceneError: if it leads out of the folder, by ``..`` or a symbolic link, or cannot be followed.
    """
    path = folder / relative
    try:
        within = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a link that leads to itself
        why = error.strerror if isinstance(error, OSError) else str(error).split(" from ")[0]
        raise SceneError(f"{named_by} names {relative!r}, which cannot be followed: {why}") from error
    if not within:
        raise SceneError(f"{named_by} names a file outside the scene's folder: {relative}")
    return path
