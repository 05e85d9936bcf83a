"""A person's client: matrix-nio 0.26 with vodozemac, its keys in a SQLite store. A process of its own behind calls (../crypto/serve.ts): one JSON
object per line, {id, call, args} in, {id, value} or {id, error} out. It joins what it is invited to."""

import asyncio
import base64
import json
import logging
import os
import sys

from nio import (
    AsyncClient,
    AsyncClientConfig,
    BadEvent,
    Event,
    InviteMemberEvent,
    KeyVerificationCancel,
    KeyVerificationEvent,
    KeyVerificationKey,
    KeyVerificationMac,
    MegolmEvent,
    RoomMessage,
    UnknownBadEvent,
    UnknownEvent,
)
from nio.crypto import sas as nio_sas
from nio.crypto.attachments import decrypt_attachment

logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
WAIT_S = 60
# What nio calls otherwise than the specification's list ("SAS method: emoji"); the pictures are the same.
NAMES = {"Airplane": "Aeroplane", "Thumbs up": "Thumbs Up", "Wrench": "Spanner"}


def as_the_specification_has_it():
    """Three lines of nio 0.26 that nobody who follows the specification can verify with, mended: the commitment is unpadded base64 and no hex digest; the
    MACs that it makes are those of hkdf-hmac-sha256.v2, and it offers them as hkdf-hmac-sha256; emoji are numbered by six bits, not eight."""
    import hashlib

    class Commitment:
        def __init__(self, data):
            self.digest = hashlib.sha256(data).digest()

        def hexdigest(self):
            return base64.b64encode(self.digest).decode().rstrip("=")

    def emoji(sas, extra_info):
        return [sas.emoji[index] for index in sas.established_sas.bytes(extra_info).emoji_indices]

    nio_sas.sha256 = Commitment
    nio_sas.Sas._mac_normal = "hkdf-hmac-sha256.v2"
    nio_sas.Sas._mac_v1 = [nio_sas.Sas._mac_normal]
    nio_sas.Sas._generate_emoji = emoji


class Peer:
    def __init__(self):
        self.client = None
        self.account = None
        self.seen = {}
        self.cancelled = {}

    async def until(self, what, find):
        for _ in range(WAIT_S * 50):
            found = find()
            if found:
                return found
            await asyncio.sleep(0.02)
        raise RuntimeError(f"nio: {what}: not within {WAIT_S} s")

    async def start(self, account):
        self.account = account
        if account.get("sasOfTheSpecification"):
            as_the_specification_has_it()
        os.makedirs(account["store"], exist_ok=True)
        config = AsyncClientConfig(store_sync_tokens=True, encryption_enabled=True)
        self.client = AsyncClient(
            account["url"], account["userId"], device_id=account["deviceId"], store_path=account["store"], config=config
        )
        self.client.restore_login(account["userId"], account["deviceId"], account["accessToken"])
        self.client.add_event_callback(self.take, Event)
        self.client.add_event_callback(self.invited, InviteMemberEvent)
        self.client.add_to_device_callback(self.verification, KeyVerificationEvent)
        self.loop = asyncio.ensure_future(self.sync())
        await self.client.synced.wait()

    async def sync(self):
        try:
            await self.client.sync_forever(timeout=10_000, full_state=True)
        except Exception as error:  # said with the next call that waits in vain
            print(f"sync ended: {error!r}", file=sys.stderr)
            raise

    async def invited(self, room, event):
        if event.state_key == self.client.user_id and event.membership == "invite":
            await self.client.join(room.room_id)

    async def take(self, room, event):
        if isinstance(event, (BadEvent, UnknownBadEvent)):
            return
        self.seen.setdefault(room.room_id, {})[event.event_id] = event

    async def verification(self, event):
        if isinstance(event, KeyVerificationCancel):
            self.cancelled[event.transaction_id] = event.code

    def shown(self, event):
        failure = None
        if isinstance(event, MegolmEvent):
            try:
                event = self.client.decrypt_event(event)
            except Exception as error:
                failure = str(error)
        source = event.source
        return {
            "id": event.event_id,
            "sender": event.sender,
            "type": source.get("type", ""),
            "content": source.get("content", {}),
            "edited": False,
            "failure": failure,
            "shield": None,
        }

    async def events(self, room_id):
        return [self.shown(event) for event in self.seen.get(room_id, {}).values()]

    async def decrypt(self, raw):
        found = []
        for each in raw:
            event = Event.parse_event({**each, "unsigned": {}})
            if isinstance(event, MegolmEvent):
                event.room_id = each["room_id"]
                try:
                    event = self.client.decrypt_event(event)
                except Exception:
                    found.append(None)
                    continue
            found.append({"type": event.source["type"], "content": event.source["content"]})
        return found

    async def send(self, room_id, event_type, content):
        await self.until(f"room {room_id}", lambda: room_id in self.client.rooms)
        await self.until("members", lambda: self.client.rooms[room_id].members_synced or self.client.rooms[room_id].users)
        answer = await self.client.room_send(room_id, event_type, content, ignore_unverified_devices=True)
        if not hasattr(answer, "event_id"):
            raise RuntimeError(f"send: {answer}")
        return answer.event_id

    async def sendImage(self, room_id, base64_text, name):
        import io

        data = base64.b64decode(base64_text)
        answer, keys = await self.client.upload(
            io.BytesIO(data), content_type="image/png", filename=name, encrypt=True, filesize=len(data)
        )
        if not hasattr(answer, "content_uri"):
            raise RuntimeError(f"upload: {answer}")
        content = {
            "msgtype": "m.image",
            "body": name,
            "file": {**keys, "url": answer.content_uri},
            "info": {"mimetype": "image/png", "size": len(data)},
        }
        return await self.send(room_id, "m.room.message", content)

    async def fetchImage(self, content):
        file = content["file"]
        answer = await self.client.download(mxc=file["url"])
        if not hasattr(answer, "body"):
            raise RuntimeError(f"download: {answer}")
        plain = decrypt_attachment(answer.body, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
        return base64.b64encode(plain).decode()

    async def rotate(self, room_id):
        self.client.invalidate_outbound_session(room_id)

    async def createRoom(self, encrypted, invite):
        content = {"algorithm": "m.megolm.v1.aes-sha2"}
        state = [{"type": "m.room.encryption", "state_key": "", "content": content}] if encrypted else []
        answer = await self.client.room_create(invite=invite, initial_state=state)
        return answer.room_id

    async def members(self, room_id):
        room = self.client.rooms.get(room_id)
        return [] if room is None else list(room.users)

    # Short strings: nio starts, without a request before (it has none).
    async def beginSas(self, user_id, device_id):
        device = await self.until("the device", lambda: self.client.device_store[user_id].get(device_id))
        await self.client.start_key_verification(device)
        sas = next(one for one in self.client.key_verifications.values() if one.other_olm_device == device)
        return sas.transaction_id

    async def compare(self, transaction_id):
        sas = self.client.key_verifications[transaction_id]

        def ready():
            if transaction_id in self.cancelled or sas.canceled:
                raise RuntimeError(f"cancelled: {self.cancelled.get(transaction_id) or sas.cancel_code}")
            return sas.established_sas is not None

        await self.until("the other's key", ready)
        return {"emoji": [NAMES.get(name, name) for _, name in sas.get_emoji()], "decimals": list(sas.get_decimals())}

    async def confirm(self, transaction_id):
        sas = self.client.key_verifications[transaction_id]
        await self.client.confirm_short_auth_string(transaction_id)
        await self.until("the end of the verification", lambda: sas.verified)
        return list(sas.verified_devices)

    async def deviceTrust(self, user_id, device_id):
        device = self.client.device_store[user_id].get(device_id)
        return None if device is None else {"verified": device.verified}


async def main():
    peer = Peer()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def answer(line):
        asked = json.loads(line)
        try:
            value = await getattr(peer, asked["call"])(*asked["args"])
            said = {"id": asked["id"], "value": value}
        except Exception as error:
            said = {"id": asked["id"], "error": str(error) or repr(error)}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

    pending = set()
    while line := await reader.readline():
        task = asyncio.ensure_future(answer(line))
        pending.add(task)
        task.add_done_callback(pending.discard)
    if peer.client is not None:
        peer.client.stop_sync_forever()
        peer.loop.cancel()
        await peer.client.close()


asyncio.run(main())
