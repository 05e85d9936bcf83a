// Peer "bare": what somebody writes in half an hour with mqtt.js alone: one PUT per message, in memory, plain room.
// Environment: MQTT_URL, HOMESERVER, TOKEN, ROOM. After the documentation of mqtt.js ("Example") and the Client-Server API ("Sending events").
import mqtt from "mqtt";

const { MQTT_URL, HOMESERVER, TOKEN, ROOM } = process.env;
let sent = 0;

const send = async (topic, value) => {
  sent += 1;
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(ROOM)}/send/org.example.reading/${process.pid}-${sent}`;
  const answer = await fetch(HOMESERVER + path, {
    method: "PUT",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ topic, value }),
  });
  if (!answer.ok) console.error(`not sent: ${answer.status} ${await answer.text()}`);
};

let last = Promise.resolve();

const client = mqtt.connect(MQTT_URL);
client.on("connect", () => {
  client.subscribe("sensors/#", { qos: 1 }, (error) => {
    if (error) console.error(error);
    else console.log("READY");
  });
});
client.on("message", (topic, payload) => {
  // In order: one at a time.
  last = last.then(() => send(topic, payload.toString())).catch((error) => console.error(error.message));
});
