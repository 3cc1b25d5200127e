"""Pictures in an object store: a commit is an object, a dead writer's is removed, and what is erased leaves no byte."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest

from app.errors import SiteError, StorageError
from app.record.object_pictures import ObjectPictures
from app.record.shards import Shard, ShardRange

CROPS = [bytes([65 + k]) * (10 + k) for k in range(6)]


@pytest.fixture
def pictures(bucket: str) -> ObjectPictures:
    return ObjectPictures(f"s3://{bucket}/a/site")


def stored(s3: Any, bucket: str) -> list[bytes]:
    """Every version of every object, and an empty one for each mark of a removal."""
    listed = s3.list_object_versions(Bucket=bucket)
    objects = [
        s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
        for version in listed.get("Versions", [])
    ]
    return objects + [b"" for _ in listed.get("DeleteMarkers", [])]


def erased_from_the_store(s3: Any, bucket: str, jpegs: list[bytes]) -> bool:
    """Whether no version of any object has one of them."""
    return not any(jpeg in data for data in stored(s3, bucket) for jpeg in jpegs)


def test_each_commit_is_an_object_whose_crops_come_back(pictures: ObjectPictures, s3: Any, bucket: str) -> None:
    writer = pictures.writer(1, 7, 0, 0)
    first, second = writer.append(CROPS[:2]), writer.append(CROPS[2:])
    assert writer.append([]) == [] and (writer.shard, writer.size) == (1, sum(map(len, CROPS[2:])))
    assert first == [ShardRange(0, 0, 10, zlib.crc32(CROPS[0])), ShardRange(0, 10, 11, zlib.crc32(CROPS[1]))]
    assert [pictures.crop(Shard(1, 7, each.shard), each) for each in first + second] == CROPS
    assert stored(s3, bucket) == [b"".join(CROPS[:2]), b"".join(CROPS[2:])]
    assert pictures.sizes(1, 7) == {0: 21, 1: sum(map(len, CROPS[2:]))} and pictures.sizes(1, 70) == {}
    assert pictures.all_shards() == [Shard(1, 7, 0), Shard(1, 7, 1)]
    assert pictures.where(Shard(1, 7, 0)) == f"s3://{bucket}/a/site/crops/1/7/000000.shard"


def test_what_a_dead_writer_left_is_removed_with_all_its_versions(
    pictures: ObjectPictures, s3: Any, bucket: str
) -> None:
    dead = pictures.writer(1, 7, 0, 0)
    kept = dead.append(CROPS[:1])
    for _ in range(2):
        pictures.put(Shard(1, 7, 1), CROPS[1])  # and the record never heard of it
    pictures.put(Shard(1, 70, 5), CROPS[5])  # another footage's
    s3.delete_object(Bucket=bucket, Key="a/site/crops/1/7/000001.shard")  # which hides it where there are versions
    writer = pictures.writer(1, 7, dead.shard, dead.size)
    assert stored(s3, bucket) == [CROPS[0], CROPS[5]]
    (crop,) = writer.append(CROPS[2:3])
    assert [pictures.crop(Shard(1, 7, each.shard), each) for each in (*kept, crop)] == [CROPS[0], CROPS[2]]
    writer.rewind(0, 10)
    assert (writer.shard, writer.size) == (0, 10) and stored(s3, bucket) == [CROPS[0], CROPS[5]]
    assert pictures.writer(1, 7, 0, 0).append(CROPS[3:4])[0].shard == 0  # nothing of it was ever committed
    assert stored(s3, bucket) == [CROPS[3], CROPS[5]]


def test_zeros_take_the_place_of_what_is_erased_and_old_versions_leave(
    pictures: ObjectPictures, s3: Any, bucket: str
) -> None:
    shard = Shard(1, 7, 0)
    first, second, *_ = pictures.writer(1, 7, 0, 0).append(CROPS)
    pictures.put(shard, b"".join(CROPS))  # one more version
    lying = [(second.offset, second.length), (10_000, 5)]
    assert pictures.bytes_left(shard, lying) >= second.length
    for _ in range(2):  # as after a death
        pictures.overwrite(shard, lying)
    assert pictures.bytes_left(shard, lying) == 0 and pictures.unreached() == []
    assert stored(s3, bucket) == [CROPS[0] + bytes(second.length) + b"".join(CROPS[2:])]
    assert pictures.crop(shard, first) == CROPS[0]
    with pytest.raises(ValueError, match=r"/000000\.shard: the crop at byte 10 is damaged"):
        pictures.crop(shard, second)
    pictures.put(Shard(1, 7, 1), CROPS[0])
    pictures.overwrite(Shard(1, 7, 1), [(0, 10)])  # of which nothing is left
    assert pictures.sizes(1, 7) == {0: sum(map(len, CROPS))} and len(stored(s3, bucket)) == 1
    pictures.remove([shard, Shard(1, 7, 9)])
    assert stored(s3, bucket) == [] and pictures.bytes_left(shard, lying) == 0
    pictures.overwrite(shard, lying)
    assert stored(s3, bucket) == []


def test_ranges_beyond_the_end_are_shorter_and_those_of_nothing_are_none(pictures: ObjectPictures) -> None:
    shard = Shard(1, 7, 0)
    pictures.put(shard, b"0123456789")
    assert pictures.read(shard, [(8, 5), (0, 2), (20, 5), (3, 0)]) == [b"89", b"01", b"", b""]
    assert pictures.read(Shard(1, 7, 1), [(0, 1)]) is None
    for number, offset in ((0, 20), (1, 0)):
        with pytest.raises(ValueError, match=r"0000\d\d\.shard can't be read"):
            pictures.crop(Shard(1, 7, number), ShardRange(number, offset, 5, 0))


def test_a_bucket_that_is_gone_is_told_and_nothing_in_it_is_taken_for_lost(
    pictures: ObjectPictures, s3: Any, bucket: str
) -> None:
    s3.delete_bucket(Bucket=bucket)
    for look in (
        lambda: pictures.read(Shard(1, 7, 0), [(0, 1)]),
        lambda: pictures.crop(Shard(1, 7, 0), ShardRange(0, 0, 1, 0)),
        lambda: pictures.sizes(1, 7),
        lambda: pictures.writer(1, 7, 0, 0),
        lambda: pictures.overwrite(Shard(1, 7, 0), [(0, 1)]),
        lambda: pictures.put(Shard(1, 7, 0), b"1"),
    ):
        with pytest.raises(StorageError, match=r"The store s3://\S+ can't be \w+ \(The specified bucket does not ex"):
            look()


def test_a_store_that_does_not_answer_for_versions_is_told(
    pictures: ObjectPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    def refused(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "ListObjectVersions")

    monkeypatch.setattr(pictures.bucket, "_pages", refused)
    shard = Shard(1, 7, 0)
    pictures.put(shard, b"0123456789")
    pictures.overwrite(shard, [(0, 5)])
    assert pictures.read(shard, [(0, 10)]) == [b"\0\0\0\0\00056789"]
    (sentence,) = pictures.unreached()
    assert "does not tell whether it keeps what was overwritten (" in sentence and "Access Denied" in sentence
    pictures.remove([shard])
    assert pictures.read(shard, [(0, 1)]) is None


def test_without_credentials_it_is_told_where_they_belong(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SiteError, match=r"The store s3://bucket/x needs credentials: set AWS_ACCESS_KEY_ID and"):
        ObjectPictures("s3://bucket/x")


def test_credentials_may_stand_in_the_usual_files(
    s3: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text("[other]\naws_access_key_id = tests\naws_secret_access_key = tests\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "other")
    pictures = ObjectPictures(f"s3://{bucket}")
    pictures.put(Shard(1, 1, 0), b"1")
    assert stored(s3, bucket) == [b"1"] and pictures.all_shards() == [Shard(1, 1, 0)]
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SiteError, match=r"can't be opened \(The config profile \(nobody\) could not be found"):
        ObjectPictures(f"s3://{bucket}")


def test_after_a_write_of_which_nobody_knows_nothing_of_it_stays(
    pictures: ObjectPictures, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, put = pictures.writer(1, 7, 0, 0), pictures.bucket.put
    writer.append(CROPS[:1])

    def lost(key: str, data: bytes) -> None:
        put(key, data)
        raise StorageError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(pictures.bucket, "put", lost)
        with pytest.raises(StorageError, match="no answer"):
            writer.append(CROPS[1:2])
    assert (writer.shard, writer.size) == (0, 10)
    (crop,) = writer.append(CROPS[2:3])
    assert pictures.crop(Shard(1, 7, 1), crop) == CROPS[2] and stored(s3, bucket) == [CROPS[0], CROPS[2]]


def test_what_a_bucket_does_not_let_go_is_told(
    pictures: ObjectPictures, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.put(Shard(1, 7, 0), CROPS[0])
    locked = {"Errors": [{"Code": "AccessDenied", "Message": "Access Denied because object protected by object lock."}]}
    monkeypatch.setattr(pictures.bucket._s3, "delete_objects", lambda **_: locked)
    with pytest.raises(StorageError, match=r"0000\.shard can't be removed \(Access Denied because object protected"):
        pictures.remove([Shard(1, 7, 0)])


def test_a_server_that_is_not_there_is_told_without_keys(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.record.buckets._RETRIES", {"max_retries": 0})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-shown")
    with pytest.raises(StorageError, match=r"The store s3://bucket/x can't be written \(.*all that was comm") as raised:
        ObjectPictures("s3://bucket/x").put(Shard(1, 1, 0), b"1")
    assert "never-shown" not in str(raised.value) and "\n" not in str(raised.value)
