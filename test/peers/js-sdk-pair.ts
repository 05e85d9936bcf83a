// Two matrix-js-sdk clients (an independent client with vodozemac inside) that meet in an encrypted room of the server at argv: one sends an
// event, the other decrypts it. Prints one JSON line {type, content}. Run in a process of its own: it logs much and keeps sockets.
//   node test/peers/js-sdk-pair.ts '{"url": "http://...", "users": [{"userId", "deviceId", "accessToken"}, ...]}'
import {
  ClientEvent,
  createClient,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  SyncState,
} from "matrix-js-sdk";

interface Account {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
}

interface Task {
  readonly url: string;
  readonly users: readonly [Account, Account];
}

const EVENT_TYPE = "m.room.message";
const CONTENT = { msgtype: "m.text", body: "through the loopback" };

const start = async (url: string, account: Account): Promise<MatrixClient> => {
  const client = createClient({ baseUrl: url, ...account });
  await client.initRustCrypto({ useIndexedDB: false });
  const prepared = new Promise<void>((resolve) => {
    client.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared) resolve();
    });
  });
  await client.startClient({ initialSyncLimit: 10 });
  await prepared;
  return client;
};

const meet = async (sender: MatrixClient, receiver: MatrixClient): Promise<string> => {
  const encryption = {
    type: "m.room.encryption",
    state_key: "",
    content: { algorithm: "m.megolm.v1.aes-sha2" },
  };
  const invite = [receiver.getSafeUserId()];
  const { room_id: roomId } = await sender.createRoom({ invite, initial_state: [encryption] });
  const joined = new Promise<void>((resolve) => {
    sender.on(ClientEvent.Event, (event) => {
      if (event.getStateKey() === receiver.getUserId() && event.getContent()["membership"] === "join")
        resolve();
    });
  });
  await receiver.joinRoom(roomId);
  await joined;
  return roomId;
};

const decrypted = (client: MatrixClient): Promise<MatrixEvent> =>
  new Promise((resolve) => {
    client.on(MatrixEventEvent.Decrypted, resolve);
  });

// The parent is ours and sends this shape.
const task = JSON.parse(process.argv[2] ?? "") as Task;
const [sender, receiver] = [await start(task.url, task.users[0]), await start(task.url, task.users[1])];
const roomId = await meet(sender, receiver);
const arrival = decrypted(receiver);
// matrix-js-sdk types the content by the event type; this is what its m.room.message asks for.
await sender.sendEvent(roomId, EVENT_TYPE as never, CONTENT as never);
const event = await arrival;
process.stdout.write(`${JSON.stringify({ type: event.getType(), content: event.getContent() })}\n`);
process.exit(0);
