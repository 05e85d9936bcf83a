// Peer "js-sdk": the same with the official client, plain room, crypto off. Environment: MQTT_URL, HOMESERVER, TOKEN, USER_ID, ROOM.
// After the README of matrix-js-sdk ("Usage": createClient, startClient, wait for the first sync, sendEvent) and of mqtt.js ("Example").
import * as sdk from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";
import mqtt from "mqtt";

const { MQTT_URL, HOMESERVER, TOKEN, USER_ID, ROOM } = process.env;
logger.disableAll();

const matrix = sdk.createClient({ baseUrl: HOMESERVER, accessToken: TOKEN, userId: USER_ID });

const prepared = new Promise((resolve) => {
  matrix.once(sdk.ClientEvent.Sync, (state) => {
    if (state === "PREPARED") resolve();
  });
});
await matrix.startClient({ initialSyncLimit: 10 });
await prepared;

let last = Promise.resolve();

const client = mqtt.connect(MQTT_URL);
client.on("connect", () => {
  client.subscribe("sensors/#", { qos: 1 }, (error) => {
    if (error) console.error(error);
    else console.log("READY");
  });
});
client.on("message", (topic, payload) => {
  const content = { topic, value: payload.toString() };
  last = last
    .then(() => matrix.sendEvent(ROOM, "org.example.reading", content))
    .catch((error) => console.error(error.message));
});
