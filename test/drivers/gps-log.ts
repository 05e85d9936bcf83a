// A recorded GPS log that nobody had to drive for: a seeded drive of ten minutes around a small town, as a receiver would print it at one fix a second.
// NMEA 0183 sentences GGA, RMC and VTG with valid checksums (8-bit XOR of all between `$` and `*`), CRLF line ends.
// Regenerate with: node test/drivers/gps-log.ts > test/drivers/data/gps-drive.nmea

import { fileURLToPath } from "node:url";
import { seeded } from "#test/support/seeded.ts";

const SEED = 20_261_124;
const START = { lat: 48.1173, lon: 11.5167, altitude: 545.4 };
const SECONDS = 600;
const METRES_PER_DEGREE = 111_320;

/** The checksum of a sentence without its `$` and `*`: two hex digits. */
export const checksum = (body: string): string =>
  [...body]
    .reduce((sum, char) => sum ^ char.charCodeAt(0), 0)
    .toString(16)
    .toUpperCase()
    .padStart(2, "0");

const sentence = (body: string): string => `$${body}*${checksum(body)}\r\n`;

/** Degrees as NMEA prints them: `4807.0380,N`. */
const angle = (degrees: number, digits: number, sides: readonly [string, string]): string => {
  const whole = Math.floor(Math.abs(degrees));
  const minutes = ((Math.abs(degrees) - whole) * 60).toFixed(4).padStart(7, "0");
  return `${String(whole).padStart(digits, "0")}${minutes},${degrees >= 0 ? sides[0] : sides[1]}`;
};

const clockOf = (second: number): string => {
  const time = 12 * 3600 + second;
  const part = (value: number): string => String(value).padStart(2, "0");
  return `${part(Math.floor(time / 3600))}${part(Math.floor(time / 60) % 60)}${part(time % 60)}.00`;
};

interface Fix {
  lat: number;
  lon: number;
  altitude: number;
  speed: number;
  course: number;
}

const sentences = (second: number, fix: Fix, satellites: number, hdop: number): string => {
  const [lat, lon] = [angle(fix.lat, 2, ["N", "S"]), angle(fix.lon, 3, ["E", "W"])];
  const knots = (fix.speed / 0.514_444).toFixed(2);
  const course = fix.course.toFixed(1);
  return [
    `GPGGA,${clockOf(second)},${lat},${lon},1,${String(satellites).padStart(2, "0")},${hdop.toFixed(1)},${fix.altitude.toFixed(1)},M,46.9,M,,`,
    `GPRMC,${clockOf(second)},A,${lat},${lon},${knots},${course},241126,,,A`,
    `GPVTG,${course},T,,M,${knots},N,${(fix.speed * 3.6).toFixed(2)},K,A`,
  ]
    .map(sentence)
    .join("");
};

/** One second of driving: speed and course wander, the position follows. */
const drive = (fix: Fix, random: () => number): Fix => {
  const speed = Math.min(19, Math.max(0, fix.speed + (random() - 0.48) * 2));
  const course = (fix.course + (random() - 0.45) * 12 + 360) % 360;
  const [north, east] = [Math.cos((course * Math.PI) / 180), Math.sin((course * Math.PI) / 180)];
  return {
    lat: fix.lat + (north * speed) / METRES_PER_DEGREE,
    lon: fix.lon + (east * speed) / (METRES_PER_DEGREE * Math.cos((fix.lat * Math.PI) / 180)),
    altitude: fix.altitude + (random() - 0.5) * 0.8,
    speed,
    course,
  };
};

/** The whole log. */
export const gpsLog = (): string => {
  const random = seeded(SEED);
  let fix: Fix = { ...START, speed: 0, course: 45 };
  let log = "";
  for (let second = 0; second < SECONDS; second += 1) {
    fix = drive(fix, random);
    log += sentences(second, fix, 7 + Math.floor(random() * 6), 0.7 + random() * 0.6);
  }
  return log;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(gpsLog());
