// matrix-sdk-crypto 0.19.1 and vodozemac 0.11 through @matrix-org/matrix-sdk-crypto-wasm 18.9.0: attachments, key files, backups, public-key
// encryption, QR codes and dehydrated devices, behind calls.
import {
  Attachment,
  BackupDecryptionKey,
  Base64EncodedPkMessage,
  Curve25519PublicKey,
  Curve25519SecretKey,
  DehydratedDeviceKey,
  DeviceId,
  EncryptedAttachment,
  initAsync,
  OlmMachine,
  PkDecryption,
  PkEncryption,
  PkMessage,
  QrCodeScan,
  UserId,
} from "@matrix-org/matrix-sdk-crypto-wasm";
import { serve, toBytes, toText } from "./serve.ts";

await initAsync();

type Message = { ciphertext: string; mac: string; ephemeral: string };

const machine = (): Promise<OlmMachine> =>
  OlmMachine.initialize(new UserId("@peer:example.org"), new DeviceId("PEER"));

/** The keys that a new machine would upload are needed before it dehydrates anything: it must have a master key. */
const machineWithIdentity = async (): Promise<OlmMachine> => {
  const made = await machine();
  await made.bootstrapCrossSigning(true);
  return made;
};

serve({
  encryptAttachment: (plaintext: string) => {
    const made = Attachment.encrypt(toBytes(plaintext));
    return {
      ciphertext: toText(made.encryptedData),
      info: JSON.parse(made.mediaEncryptionInfo ?? "null") as unknown,
    };
  },
  decryptAttachment: (ciphertext: string, info: unknown) =>
    toText(Attachment.decrypt(new EncryptedAttachment(toBytes(ciphertext), JSON.stringify(info)))),
  encryptKeyFile: (json: string, passphrase: string, rounds: number) =>
    OlmMachine.encryptExportedRoomKeys(json, passphrase, rounds),
  decryptKeyFile: (file: string, passphrase: string) => OlmMachine.decryptExportedRoomKeys(file, passphrase),
  importKeyFile: async (file: string, passphrase: string) => {
    const made = await machine();
    const json = OlmMachine.decryptExportedRoomKeys(file, passphrase);
    const result = await made.importExportedRoomKeys(json, () => undefined);
    return { imported: result.importedCount, exported: await made.exportRoomKeys(() => true) };
  },
  backupKey: () => {
    const key = BackupDecryptionKey.createRandomKey();
    return {
      secret: key.toBase64(),
      publicKey: key.megolmV1PublicKey.publicKeyBase64,
      algorithm: key.megolmV1PublicKey.algorithm,
    };
  },
  backupDecrypt: (secret: string, message: Message) =>
    BackupDecryptionKey.fromBase64(secret).decryptV1(message.ephemeral, message.mac, message.ciphertext),
  pkEncrypt: (recipient: string, plaintext: string): Message => {
    const made = PkEncryption.fromKey(new Curve25519PublicKey(recipient))
      .encrypt(toBytes(plaintext))
      .toBase64();
    return { ciphertext: made.ciphertext, mac: made.mac, ephemeral: made.ephemeralKey };
  },
  pkDecrypt: (secret: string, message: Message) => {
    const parsed = PkMessage.fromBase64(
      new Base64EncodedPkMessage(message.ciphertext, message.mac, message.ephemeral),
    );
    return toText(PkDecryption.fromKey(Curve25519SecretKey.fromUint8Array(toBytes(secret))).decrypt(parsed));
  },
  scanQr: (bytes: string) => {
    QrCodeScan.fromBytes(new Uint8ClampedArray(toBytes(bytes))).free();
    return "taken";
  },
  dehydrate: async (key: string) => {
    const device = await (await machineWithIdentity()).dehydratedDevices().create();
    const request = await device.keysForUpload(
      "waiting",
      DehydratedDeviceKey.createKeyFromArray(toBytes(key)),
    );
    return JSON.parse(request.body) as unknown;
  },
  rehydrate: async (key: string, deviceId: string, deviceData: string) => {
    const devices = (await machineWithIdentity()).dehydratedDevices();
    const device = await devices.rehydrate(
      DehydratedDeviceKey.createKeyFromArray(toBytes(key)),
      new DeviceId(deviceId),
      deviceData,
    );
    device.free();
    return "rehydrated";
  },
});
