"""Print the oneDNN library and its licence files in the build environment, one a line, for meson.build.

Its wheel keeps them outside of any package, where ``pip install --target`` loses them; so weft's own wheel carries them.
"""

from importlib import metadata

WANTED = {"libdnnl.so.3": None, "LICENSE": "share", "THIRD-PARTY-PROGRAMS": "share"}


def main():
    """Print what the first distribution in sight recorded and really has."""
    for distribution in metadata.distributions(name="onednn-cpu-gomp"):
        found = {file.name: file.locate() for file in distribution.files or () if WANTED.get(file.name, "") in (None, *file.parts)}
        if "libdnnl.so.3" in found and found["libdnnl.so.3"].is_file():
            print("\n".join(str(found[name].resolve()) for name in WANTED if name in found and found[name].is_file()))
            return


if __name__ == "__main__":
    main()
