// Sounds, made on the spot: no file, no network. Browsers allow none before the first click or key on the page, and
// then this stays silent.

const TONES = {
  // [frequency in Hz, start in s, length in s]
  tick: [[880, 0, 0.09]],
  go: [[1320, 0, 0.35]],
  stop: [[660, 0, 0.16], [440, 0.18, 0.3]],
  wrong: [[330, 0, 0.16], [262, 0.2, 0.26]],
};
const LOUDNESS = 0.35;
const SOFT_S = 0.012; // a tone that begins or ends at once clicks
const LATE_MS = 400; // a cue that could not sound by then is no cue any more

function audio() {
  window.repsenseAudio ??= new AudioContext();
  return window.repsenseAudio;
}

if (!window.repsenseUnlocking) {
  window.repsenseUnlocking = true;
  for (const kind of ["pointerdown", "keydown"]) {
    // Some browsers let a sound begin only inside of the handler of a click.
    addEventListener(kind, () => audio().resume(), { capture: true, passive: true });
  }
}

// Plays a cue `delay_s` from now; returns a function that takes it back as long as it has not begun.
function play(cue, delay_s = 0) {
  const context = audio();
  const asked_ms = performance.now();
  const begun = [];
  let taken = false;
  const begin = () => {
    const passed_ms = performance.now() - asked_ms;
    if (taken || passed_ms > LATE_MS) {
      return;
    }
    const zero_s = context.currentTime + delay_s - passed_ms / 1000;
    for (const [frequency_hz, start_s, length_s] of TONES[cue]) {
      const from_s = Math.max(context.currentTime, zero_s + start_s);
      begun.push(tone(context, frequency_hz, from_s, length_s));
    }
  };
  if (context.state === "running") {
    begin();
  } else {
    context.resume().then(begin, () => {});
  }
  return () => {
    taken = true;
    for (const [oscillator, from_s] of begun) {
      if (from_s > context.currentTime) {
        oscillator.stop();
      }
    }
  };
}

function tone(context, frequency_hz, from_s, length_s) {
  const oscillator = new OscillatorNode(context, { type: "triangle", frequency: frequency_hz });
  const gain = new GainNode(context, { gain: 0 });
  gain.gain.setValueAtTime(0, from_s);
  gain.gain.linearRampToValueAtTime(LOUDNESS, from_s + SOFT_S);
  gain.gain.setValueAtTime(LOUDNESS, from_s + length_s - SOFT_S);
  gain.gain.linearRampToValueAtTime(0, from_s + length_s);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(from_s);
  oscillator.stop(from_s + length_s);
  return [oscillator, from_s];
}

// Says words in English, in place of what is being said.
function speak(words) {
  if (window.speechSynthesis) {
    speechSynthesis.cancel();
    speechSynthesis.speak(Object.assign(new SpeechSynthesisUtterance(words), { lang: "en" }));
  }
}
