// goolm (mautrix-go, pinned in go.mod, build tag goolm) behind the oracle protocol: one JSON object per line,
// see ../README.md. Sessions are libolm-compatible, pickles too, both ways. It has no SAS of its own.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"maunium.net/go/mautrix/crypto/ed25519"
	"maunium.net/go/mautrix/crypto/goolm"
	"maunium.net/go/mautrix/crypto/goolm/account"
	"maunium.net/go/mautrix/crypto/goolm/goolmbase64"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/id"
)

type request struct {
	ID            int    `json:"id"`
	Op            string `json:"op"`
	H             string `json:"h"`
	N             uint   `json:"n"`
	Msg           string `json:"msg"`
	Pub           string `json:"pub"`
	Sig           string `json:"sig"`
	TheirIdentity string `json:"their_identity"`
	TheirOTK      string `json:"their_otk"`
	Body          string `json:"body"`
	Type          int    `json:"type"`
	PT            string `json:"pt"`
	Key           string `json:"key"`
	Index         uint32 `json:"index"`
	Pickle        string `json:"pickle"`
	Kind          string `json:"kind"`
	Format        string `json:"format"`
}

type result = map[string]any

var things = map[string]any{}
var made = 0

var errUnsupported = errors.New("unsupported")

func keep(thing any) string {
	made++
	h := fmt.Sprintf("g%d", made)
	things[h] = thing
	return h
}

func pick[T any](r *request) (T, error) {
	thing, ok := things[r.H].(T)
	if !ok {
		return thing, fmt.Errorf("%w: no such object under the handle %q", errUnsupported, r.H)
	}
	return thing, nil
}

func pairs(keys map[string]id.Curve25519) [][2]string {
	out := make([][2]string, 0, len(keys))
	for keyID, key := range keys {
		out = append(out, [2]string{keyID, string(key)})
	}
	return out
}

func withAccount(run func(*account.Account, *request) (result, error)) func(*request) (result, error) {
	return func(r *request) (result, error) {
		a, err := pick[*account.Account](r)
		if err != nil {
			return nil, err
		}
		return run(a, r)
	}
}

func accountNew(*request) (result, error) {
	a, err := account.NewAccount()
	if err != nil {
		return nil, err
	}
	return result{"h": keep(a)}, nil
}

func identityKeys(a *account.Account, _ *request) (result, error) {
	ed, curve, err := a.IdentityKeys()
	return result{"curve25519": curve, "ed25519": ed}, err
}

func oneTimeKeys(a *account.Account, r *request) (result, error) {
	if err := a.GenOneTimeKeys(r.N); err != nil {
		return nil, err
	}
	keys, err := a.OneTimeKeys()
	return result{"keys": pairs(keys)}, err
}

func fallback(a *account.Account, _ *request) (result, error) {
	if err := a.GenFallbackKey(); err != nil {
		return nil, err
	}
	return result{"keys": pairs(a.FallbackKeyUnpublished())}, nil
}

func sign(a *account.Account, r *request) (result, error) {
	sig, err := a.Sign([]byte(r.Msg))
	return result{"sig": string(sig)}, err
}

func verify(r *request) (result, error) {
	pub, err := goolmbase64.Decode([]byte(r.Pub))
	if err != nil {
		return nil, err
	}
	sig, err := goolmbase64.Decode([]byte(r.Sig))
	if err != nil {
		return nil, err
	}
	if len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, []byte(r.Msg), sig) {
		return nil, olm.ErrBadSignature
	}
	return result{}, nil
}

func sessionOutbound(a *account.Account, r *request) (result, error) {
	s, err := a.NewOutboundSession(id.Curve25519(r.TheirIdentity), id.Curve25519(r.TheirOTK))
	if err != nil {
		return nil, err
	}
	return result{"h": keep(s), "session_id": s.ID()}, nil
}

func sessionInbound(a *account.Account, r *request) (result, error) {
	identity := id.Curve25519(r.TheirIdentity)
	s, err := a.NewInboundSessionFrom(&identity, r.Body)
	if err != nil {
		return nil, err
	}
	pt, err := s.Decrypt(r.Body, id.OlmMsgTypePreKey)
	if err != nil {
		return nil, err
	}
	// A fallback key is not in the list of one-time keys: that is no failure.
	if err = a.RemoveOneTimeKeys(s); err != nil && !errors.Is(err, olm.ErrBadMessageKeyID) {
		return nil, err
	}
	return result{"h": keep(s), "session_id": s.ID(), "pt": string(pt)}, nil
}

func sessionID(r *request) (result, error) {
	s, err := pick[olm.Session](r)
	if err != nil {
		return nil, err
	}
	return result{"session_id": s.ID()}, nil
}

func sessionMatches(r *request) (result, error) {
	s, err := pick[olm.Session](r)
	if err != nil {
		return nil, err
	}
	matches, err := s.MatchesInboundSession(r.Body)
	return result{"matches": matches}, err
}

func encrypt(r *request) (result, error) {
	s, err := pick[olm.Session](r)
	if err != nil {
		return nil, err
	}
	kind, body, err := s.Encrypt([]byte(r.PT))
	return result{"type": kind, "body": string(body)}, err
}

func decrypt(r *request) (result, error) {
	s, err := pick[olm.Session](r)
	if err != nil {
		return nil, err
	}
	pt, err := s.Decrypt(r.Body, id.OlmMsgType(r.Type))
	return result{"pt": string(pt)}, err
}

func groupOutboundNew(*request) (result, error) {
	s, err := olm.NewOutboundGroupSession()
	if err != nil {
		return nil, err
	}
	return result{"h": keep(s), "session_id": s.ID()}, nil
}

func groupSessionKey(r *request) (result, error) {
	s, err := pick[olm.OutboundGroupSession](r)
	if err != nil {
		return nil, err
	}
	return result{"key": s.Key(), "index": s.MessageIndex()}, nil
}

func groupEncrypt(r *request) (result, error) {
	s, err := pick[olm.OutboundGroupSession](r)
	if err != nil {
		return nil, err
	}
	body, err := s.Encrypt([]byte(r.PT))
	return result{"body": string(body)}, err
}

func groupFrom(open func([]byte) (olm.InboundGroupSession, error)) func(*request) (result, error) {
	return func(r *request) (result, error) {
		s, err := open([]byte(r.Key))
		if err != nil {
			return nil, err
		}
		return result{"h": keep(s), "session_id": s.ID(), "first_known_index": s.FirstKnownIndex()}, nil
	}
}

func groupDecrypt(r *request) (result, error) {
	s, err := pick[olm.InboundGroupSession](r)
	if err != nil {
		return nil, err
	}
	pt, index, err := s.Decrypt([]byte(r.Body))
	return result{"pt": string(pt), "index": index}, err
}

func groupExport(r *request) (result, error) {
	s, err := pick[olm.InboundGroupSession](r)
	if err != nil {
		return nil, err
	}
	key, err := s.Export(r.Index)
	return result{"key": string(key)}, err
}

func pickle(r *request) (result, error) {
	s, err := pick[interface{ Pickle([]byte) ([]byte, error) }](r)
	if err != nil {
		return nil, err
	}
	out, err := s.Pickle([]byte(r.Key))
	return result{"pickle": string(out)}, err
}

func unpickle(r *request) (result, error) {
	var thing any
	var err error
	pickled, key := []byte(r.Pickle), []byte(r.Key)
	switch r.Kind {
	case "account":
		thing, err = account.AccountFromPickled(pickled, key)
	case "session":
		thing, err = olm.SessionFromPickled(pickled, key)
	case "group_out":
		thing, err = olm.OutboundGroupSessionFromPickled(pickled, key)
	case "group_in":
		thing, err = olm.InboundGroupSessionFromPickled(pickled, key)
	default:
		err = errUnsupported
	}
	if err != nil {
		return nil, err
	}
	return result{"h": keep(thing)}, nil
}

func hello(*request) (result, error) {
	caps := []string{"matches"}
	for _, kind := range []string{"account", "session", "group_out", "group_in"} {
		caps = append(caps, "pickle:"+kind, "unpickle:"+kind)
	}
	return result{"name": "goolm", "caps": caps}, nil
}

var ops = map[string]func(*request) (result, error){
	"hello":            hello,
	"account_new":      accountNew,
	"identity_keys":    withAccount(identityKeys),
	"one_time_keys":    withAccount(oneTimeKeys),
	"fallback":         withAccount(fallback),
	"sign":             withAccount(sign),
	"verify":           verify,
	"session_outbound": withAccount(sessionOutbound),
	"session_inbound":  withAccount(sessionInbound),
	"mark_published": withAccount(func(a *account.Account, _ *request) (result, error) {
		a.MarkKeysAsPublished()
		return result{}, nil
	}),
	"session_id":         sessionID,
	"session_matches":    sessionMatches,
	"encrypt":            encrypt,
	"decrypt":            decrypt,
	"group_outbound_new": groupOutboundNew,
	"group_session_key":  groupSessionKey,
	"group_encrypt":      groupEncrypt,
	"group_inbound":      groupFrom(func(key []byte) (olm.InboundGroupSession, error) { return olm.NewInboundGroupSession(key) }),
	"group_import":       groupFrom(func(key []byte) (olm.InboundGroupSession, error) { return olm.InboundGroupSessionImport(key) }),
	"group_decrypt":      groupDecrypt,
	"group_export":       groupExport,
	"pickle":             pickle,
	"unpickle":           unpickle,
	"free": func(r *request) (result, error) {
		delete(things, r.H)
		return result{}, nil
	},
}

// Words of goolm's errors, first match wins.
var words = [][2]string{
	{"unsupported", "UNSUPPORTED"}, {"base64", "BASE64"}, {"bad mac", "MAC"}, {"signature", "SIGNATURE"},
	{"index too high", "GAP"}, {"chain index", "MISSING_KEY"}, {"message key not found", "MISSING_KEY"},
	{"ratchet not available", "UNKNOWN_INDEX"}, {"key id", "KEY_ID"}, {"low order", "SMALL_ORDER"},
	{"version", "VERSION"}, {"padding", "PADDING"}, {"not protocol", "PROTOCOL"},
}

func codeOf(err error) string {
	text := strings.ToLower(err.Error())
	for _, pair := range words {
		if strings.Contains(text, pair[0]) {
			return pair[1]
		}
	}
	return "FORMAT"
}

func answer(r *request) (out result) {
	defer func() {
		if panicked := recover(); panicked != nil {
			out = result{"ok": false, "err": "FORMAT", "msg": fmt.Sprintf("panic: %v", panicked)}
		}
		out["id"] = r.ID
	}()
	run, known := ops[r.Op]
	if !known {
		return result{"ok": false, "err": "UNSUPPORTED", "msg": "unknown operation " + r.Op}
	}
	got, err := run(r)
	if err != nil {
		return result{"ok": false, "err": codeOf(err), "msg": err.Error()}
	}
	got["ok"] = true
	return got
}

func main() {
	goolm.Register()
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			panic(err)
		}
		if err := out.Encode(answer(&r)); err != nil {
			panic(err)
		}
	}
}
