// Plays what Python asks for, once per token: the same data may come again with every refresh of the page.

export default function ({ data, parentElement }) {
  const sounds = (window.repsenseSounds ??= new Set());
  if (!sounds.has(data.token)) {
    sounds.add(data.token);
    parentElement.takeBack?.();
    const planned = data.cues.map(([at_s, cue]) => play(cue, at_s));
    parentElement.takeBack = () => planned.forEach((takeBack) => takeBack());
  }
  return () => parentElement.takeBack?.();
}
