// One lane per client: its messages are passed on in the order in which they came, although the readings behind them become durable in any order
// (MQTT 3.1.1 section 4.6: [MQTT-4.6.0-2], [MQTT-4.6.0-6]).

export interface Lane {
  /** Takes a place in the lane; `pass` is called once the returned call was made and everybody before has passed. */
  enter(pass: (error: Error | null) => void): (error: Error | null) => void;
}

interface Place {
  readonly pass: (error: Error | null) => void;
  outcome: { readonly error: Error | null } | null;
}

export const createLane = (): Lane => {
  const places: Place[] = [];
  const advance = (): void => {
    for (let first = places[0]; first?.outcome != null; first = places[0]) {
      places.shift();
      first.pass(first.outcome.error);
    }
  };
  return {
    enter(pass) {
      const place: Place = { pass, outcome: null };
      places.push(place);
      return (error) => {
        place.outcome ??= { error };
        advance();
      };
    },
  };
};
