"""A bucket of an object store: its objects, and the old versions that it keeps of them.

S3 is asked for old versions, and they are removed. Of other stores only their administrator knows.
Credentials are those that the store's own tools take: variables, and for S3 the files in `~/.aws`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store, from_url

from app.errors import SiteError, StorageError

_RETRIES: Any = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
_CLIENT: Any = {"connect_timeout": "10s", "timeout": "5min"}
_AT_ONCE = 1000  # versions that S3 removes at once
_LISTED = 1000  # objects in a list's page
_GAP = 2**18  # bytes between ranges that are rather read than asked for apart
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist")
_S3_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")


class Bucket:
    """What lies below a prefix of a bucket. Keys are relative to it. All raise StorageError where it can't be had."""

    def __init__(self, url: str) -> None:
        """Connects. Raises SiteError where no credentials are found, or they are no good.

        url: as `app.record.places.store_at` takes it.
        """
        self.url = url
        parts = urlsplit(url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._s3: Any = None
        try:
            self._store = (
                self._s3_store()
                if parts.scheme == "s3"
                else from_url(url, client_options=_CLIENT, retry_config=_RETRIES)
            )
        except (BaseError, BotoCoreError, ValueError) as error:
            raise SiteError(f"The store {url} can't be opened ({_words(error)}): see to its credentials.") from error

    def _s3_store(self) -> ObjectStore:
        session = boto3.Session()
        if session.get_credentials() is None:
            raise SiteError(
                f"The store {self.url} needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or keep "
                "them in ~/.aws/credentials."
            )
        self._s3 = session.client("s3", config=Config(connect_timeout=10, retries={"mode": "standard"}))
        options: dict[str, Any] = {"region": session.region_name or "us-east-1"}
        endpoint = self._s3.meta.endpoint_url
        if not (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            options["endpoint"] = endpoint
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            credential_provider=Boto3CredentialProvider(session),
            client_options=_CLIENT | {"allow_http": endpoint.startswith("http:")},
            retry_config=_RETRIES,
            **options,
        )

    def put(self, key: str, data: bytes) -> None:
        """Writes an object, whole or not at all."""
        with self._told("written"):
            obstore.put(self._store, key, data, use_multipart=False)  # of whose parts none stay behind

    def get(self, key: str) -> bytes | None:
        """All of an object, None where there is none."""
        try:
            with self._told("read"):
                return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None

    def get_range(self, key: str, offset: int, length: int) -> bytes | None:
        """Bytes of an object, fewer where it is shorter. None where it does not reach so far. It is one request."""
        try:
            with self._told("read"):
                return bytes(obstore.get_range(self._store, key, start=offset, length=length))
        except FileNotFoundError:
            return None
        except StorageError as error:
            if "416 Range Not Satisfiable" in str(error.__cause__):
                return None
            raise

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Bytes of several ranges, fewer where the object is shorter. None where there is none.

        Those that lie near each other come in one request.
        """
        begin = min((offset for offset, _ in ranges), default=0)
        length = max((offset + length for offset, length in ranges), default=0) - begin
        if 0 < length <= sum(length for _, length in ranges) + _GAP:
            data = self.get_range(key, begin, length)
            if data is not None:
                return [data[offset - begin : offset - begin + length] for offset, length in ranges]
        try:
            with self._told("read"):
                size = obstore.head(self._store, key)["size"]  # the library breaks down at ranges beyond the end
                starts = [min(offset, size) for offset, _ in ranges]
                lengths = [min(length, size - start) for start, (_, length) in zip(starts, ranges)]
                wanted = [k for k, length in enumerate(lengths) if length > 0]
                found = [b""] * len(lengths)
                if wanted:
                    read = obstore.get_ranges(
                        self._store, key, starts=[starts[k] for k in wanted], lengths=[lengths[k] for k in wanted]
                    )
                    for k, piece in zip(wanted, read, strict=True):
                        found[k] = bytes(piece)
                return found
        except FileNotFoundError:
            self.sizes(key)  # where the bucket is gone, this tells, and the request before does not
            return None

    def sizes(self, prefix: str) -> dict[str, int]:
        """The keys below a folder, and the bytes of each."""
        with self._told("read"):
            pages = obstore.list(self._store, prefix or None, chunk_size=_LISTED)
            return {found["path"]: found["size"] for page in pages for found in page}

    # --- old versions

    def remove(self, keys: Iterable[str]) -> None:
        """Removes objects with all their versions."""
        for key in keys:
            versions = self._versions(key)
            if versions is None:
                self._delete(key)
            elif refused := self._remove_versions(key, [version["VersionId"] for version in versions]):
                raise StorageError(f"{self.url}/{key} can't be removed ({refused}): see to the bucket's locks.")

    def remove_old(self, key: str) -> None:
        """Removes what an object was before. Who looks afterwards finds what the bucket does not let go."""
        versions = self._versions(key) or []
        self._remove_versions(key, [version["VersionId"] for version in versions if not version["IsLatest"]])

    def bytes_of_old(self, key: str) -> int:
        """How many bytes old versions of an object have, as far as that can be asked."""
        return sum(version.get("Size", 0) for version in self._versions(key) or [] if not version["IsLatest"])

    def keys_with_versions(self, prefix: str) -> set[str]:
        """The keys below a folder, those with old versions alone included."""
        versions = self._listed(f"{prefix}/")
        if isinstance(versions, str):
            return set(self.sizes(prefix))
        return {self._key(version["Key"]) for version in versions}

    def unreached(self) -> list[str]:
        """A sentence for old versions that can't be reached."""
        if self._s3 is None:
            return [
                f"{self.url} may keep what was overwritten: its administrator sees to it that versions and soft "
                "deletion are off"
            ]
        refused = self._listed("none/")
        if isinstance(refused, str):
            return [f"{self.url} does not tell whether it keeps what was overwritten ({refused})"]
        return []

    def _versions(self, key: str) -> list[Any] | None:
        """All versions of an object, and marks of its removals. None where nobody tells."""
        listed = self._listed(key)
        return None if isinstance(listed, str) else [version for version in listed if self._key(version["Key"]) == key]

    def _listed(self, prefix: str) -> list[Any] | str:
        """Versions, and marks of removals, whose keys begin so. Where nobody tells, why that is."""
        if self._s3 is None:
            return "only S3 is asked"
        try:
            return [version for page in self._pages(prefix) for version in page]
        except ClientError as error:  # a store that does not know the question, or does not allow it
            if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
                raise self._lost("read", error) from error
            return _words(error)
        except BotoCoreError as error:
            raise self._lost("read", error) from error

    def _pages(self, prefix: str) -> Iterator[list[Any]]:
        pages = self._s3.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._full(prefix)):
            yield page.get("Versions", []) + page.get("DeleteMarkers", [])

    def _remove_versions(self, key: str, numbers: list[str]) -> str:
        """Returns why some stay, empty where all leave."""
        refused = ""
        with self._told("written"):
            for start in range(0, len(numbers), _AT_ONCE):
                objects = [{"Key": self._full(key), "VersionId": n} for n in numbers[start : start + _AT_ONCE]]
                answer = self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
                for error in answer.get("Errors", []):
                    refused = error.get("Message") or error.get("Code") or "no reason given"
        return refused

    def _delete(self, key: str) -> None:
        try:
            with self._told("written"):
                obstore.delete(self._store, key)
        except FileNotFoundError:
            pass

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _key(self, full: str) -> str:
        return full.removeprefix(f"{self._prefix}/") if self._prefix else full

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What went wrong, as a sentence. That an object is not there goes on, a bucket that is not there does not."""
        try:
            yield
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise self._lost(what, error) from error
            raise
        except (BaseError, BotoCoreError, ClientError, OSError, ValueError) as error:
            raise self._lost(what, error) from error

    def _lost(self, what: str, error: Exception) -> StorageError:
        return StorageError(
            f"The store {self.url} can't be {what} ({_words(error)}): all that was committed before is safe; see to "
            "the store and its credentials, and run the same command again."
        )


def _words(error: Exception) -> str:
    """Why, in a few words: of an address only what stands before its query, where keys may be."""
    text = str(error)
    if isinstance(error, ClientError):
        text = error.response.get("Error", {}).get("Message") or text
    message = _S3_MESSAGE.search(text)
    words = message[1] if message else text.partition("\n")[0].partition("<?xml")[0]
    return re.sub(r"\?\S+", "", words).strip(" :.")[:300]
