"""S3: moto gives the answer about versions another root than AWS does, and the Rust SDK refuses it."""

from moto.s3.responses import S3Response


def install() -> None:
    def get_bucket_versioning(door: S3Response) -> tuple[int, dict, str]:
        status = door.backend.get_bucket_versioning(door.bucket_name)
        inside = f"<Status>{status}</Status>" if status else ""
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        root = "VersioningConfiguration"
        return 200, {"Content-Type": "application/xml"}, f'<{root} xmlns="{space}">{inside}</{root}>'

    S3Response.get_bucket_versioning = get_bucket_versioning
