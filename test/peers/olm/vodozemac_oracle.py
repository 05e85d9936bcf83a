"""vodozemac (PyPI wheel, pinned in install.ts) behind the oracle protocol: one JSON object per line, see README.md.

Its own pickles take a key of exactly 32 bytes (the protocol's key is hashed to that); libolm pickles are read only,
and not for outbound groups. A SAS is used once by vodozemac's Python binding, so its established half is kept.
"""

import base64
import hashlib
import json
import sys

import vodozemac as v

things = {}
made = 0


class Refusal(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def keep(thing):
    global made
    made += 1
    handle = f"v{made}"
    things[handle] = thing
    return handle


def pick(request, *kinds):
    thing = things.get(request.get("h"))
    if not isinstance(thing, kinds):
        raise Refusal("UNSUPPORTED", f"no {kinds[0].__name__} under the handle {request.get('h')}")
    return thing


def unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")


def strict(text):
    # The binding takes raw bytes here, so the base64 is checked as vodozemac's own decoder does: trailing bits refused.
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4) if "=" not in text else text, validate=True)
    except ValueError as error:
        raise Refusal("BASE64", str(error)) from error
    if unpadded(data) != text.rstrip("="):
        raise Refusal("BASE64", "trailing bits")
    return data


def own_key(request):
    return hashlib.sha256(request["key"].encode()).digest()


def curve(text):
    return v.Curve25519PublicKey.from_base64(text)


def keys_of(mapping):
    return [[key_id, key.to_base64()] for key_id, key in mapping.items()]


def hello(_):
    unpickle = [f"unpickle:{kind}" for kind in ("account", "session", "group_in")]
    return {"name": "vodozemac", "caps": [*unpickle, "own_pickle", "matches", "sas"]}


def one_time_keys(request):
    account = pick(request, v.Account)
    account.generate_one_time_keys(request["n"])
    return {"keys": keys_of(account.one_time_keys)}


def fallback(request):
    account = pick(request, v.Account)
    account.generate_fallback_key()
    return {"keys": keys_of(account.fallback_key)}


def identity_keys(request):
    account = pick(request, v.Account)
    return {"curve25519": account.curve25519_key.to_base64(), "ed25519": account.ed25519_key.to_base64()}


def mark_published(request):
    pick(request, v.Account).mark_keys_as_published()
    return {}


def sign(request):
    return {"sig": pick(request, v.Account).sign(request["msg"].encode()).to_base64()}


def verify(request):
    key = v.Ed25519PublicKey.from_base64(request["pub"])
    key.verify_signature(request["msg"].encode(), v.Ed25519Signature.from_base64(request["sig"]))
    return {}


def with_session(session, **more):
    return {"h": keep(session), "session_id": session.session_id, **more}


def session_outbound(request):
    account = pick(request, v.Account)
    identity, one_time = curve(request["their_identity"]), curve(request["their_otk"])
    return with_session(account.create_outbound_session(identity, one_time))


def session_inbound(request):
    message = v.PreKeyMessage.from_base64(request["body"])
    account = pick(request, v.Account)
    session, plaintext = account.create_inbound_session(curve(request["their_identity"]), message)
    return with_session(session, pt=plaintext.decode())


def session_matches(request):
    return {"matches": pick(request, v.Session).session_matches(v.PreKeyMessage.from_base64(request["body"]))}


def encrypt(request):
    kind, ciphertext = pick(request, v.Session).encrypt(request["pt"].encode()).to_parts()
    return {"type": kind, "body": unpadded(ciphertext)}


def decrypt(request):
    message = v.AnyOlmMessage.from_parts(request["type"], strict(request["body"]))
    return {"pt": pick(request, v.Session).decrypt(message).decode()}


def group_outbound_new(_):
    return with_session(v.GroupSession())


def group_session_key(request):
    session = pick(request, v.GroupSession)
    return {"key": session.session_key.to_base64(), "index": session.message_index}


def group_encrypt(request):
    return {"body": pick(request, v.GroupSession).encrypt(request["pt"].encode()).to_base64()}


def group_inbound(request):
    session = v.InboundGroupSession(v.SessionKey(request["key"]))
    return with_session(session, first_known_index=session.first_known_index)


def group_import(request):
    session = v.InboundGroupSession.import_session(v.ExportedSessionKey(request["key"]))
    return with_session(session, first_known_index=session.first_known_index)


def group_decrypt(request):
    out = pick(request, v.InboundGroupSession).decrypt(v.MegolmMessage.from_base64(request["body"]))
    return {"pt": out.plaintext.decode(), "index": out.message_index}


def group_export(request):
    key = pick(request, v.InboundGroupSession).export_at(request["index"])
    if key is None:
        raise Refusal("UNKNOWN_INDEX", "the index is before the first known one")
    return {"key": key.to_base64()}


KINDS = {"account": v.Account, "session": v.Session, "group_out": v.GroupSession, "group_in": v.InboundGroupSession}


def pickle(request):
    if request.get("format") != "own":
        raise Refusal("UNSUPPORTED", "the wheel writes no libolm pickles")
    return {"pickle": pick(request, *KINDS.values()).pickle(own_key(request))}


def unpickle(request):
    kind = KINDS[request["kind"]]
    if request.get("format") == "own":
        return {"h": keep(kind.from_pickle(request["pickle"], own_key(request)))}
    if not hasattr(kind, "from_libolm_pickle"):
        raise Refusal("UNSUPPORTED", f"the wheel reads no libolm pickle of {request['kind']}")
    return {"h": keep(kind.from_libolm_pickle(request["pickle"], request["key"].encode()))}


def sas_new(_):
    fresh = v.Sas()
    return {"h": keep(fresh), "pub": fresh.public_key.to_base64()}


def sas_their(request):
    things[request["h"]] = pick(request, v.Sas).diffie_hellman(curve(request["pub"]))
    return {}


def sas_bytes(request):
    out = pick(request, v.EstablishedSas).bytes(request["info"])
    return {"emoji": list(out.emoji_indices), "decimals": list(out.decimals)}


def sas_mac(request):
    sas = pick(request, v.EstablishedSas)
    calculate = sas.calculate_mac if request.get("fixed") == 1 else sas.calculate_mac_invalid_base64
    return {"mac": calculate(request["input"], request["info"])}


def free(request):
    things.pop(request["h"], None)
    return {}


OPS = {
    "hello": hello,
    "account_new": lambda _: {"h": keep(v.Account())},
    "identity_keys": identity_keys,
    "one_time_keys": one_time_keys,
    "mark_published": mark_published,
    "fallback": fallback,
    "sign": sign,
    "verify": verify,
    "session_outbound": session_outbound,
    "session_inbound": session_inbound,
    "session_id": lambda request: {"session_id": pick(request, v.Session).session_id},
    "session_matches": session_matches,
    "encrypt": encrypt,
    "decrypt": decrypt,
    "group_outbound_new": group_outbound_new,
    "group_session_key": group_session_key,
    "group_encrypt": group_encrypt,
    "group_inbound": group_inbound,
    "group_import": group_import,
    "group_decrypt": group_decrypt,
    "group_export": group_export,
    "pickle": pickle,
    "unpickle": unpickle,
    "sas_new": sas_new,
    "sas_their": sas_their,
    "sas_bytes": sas_bytes,
    "sas_mac": sas_mac,
    "free": free,
}

# Words of vodozemac's messages, first match wins.
WORDS = [
    ("base64", "BASE64"),
    ("non-contributory", "SMALL_ORDER"),
    ("unknown one-time key", "KEY_ID"),
    ("one-time key", "KEY_ID"),
    ("message gap", "GAP"),
    ("missing message key", "MISSING_KEY"),
    ("already been used", "MISSING_KEY"),
    ("unknown message index", "UNKNOWN_INDEX"),
    ("version", "VERSION"),
    ("mac", "MAC"),
    ("signature", "SIGNATURE"),
    ("padding", "PADDING"),
]


def code_of(error):
    text = str(error).lower()
    return next((code for word, code in WORDS if word in text), "FORMAT")


def answer(request):
    try:
        op = OPS.get(request["op"])
        if op is None:
            raise Refusal("UNSUPPORTED", f"unknown operation {request['op']}")
        return {"ok": True, **op(request)}
    except Refusal as error:
        return {"ok": False, "err": error.code, "msg": str(error)}
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        return {"ok": False, "err": code_of(error), "msg": str(error)}
    except BaseException as error:  # pyo3's PanicException is a BaseException: a refusal with a louder name
        return {"ok": False, "err": "FORMAT", "msg": f"panic: {error}"}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"id": request["id"], **answer(request)}), flush=True)


main()
