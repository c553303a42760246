import { expect, test } from 'vitest';
import { counted, cutText, visibleLine, visibleText, webAddress } from './text';

test('what would mislead the eye is shown by name', () => {
    expect(visibleText('\u001b[31mred')).toBe('␛[31mred');
    expect(visibleText('a\u202egpj.exe')).toBe('a⟨U+202E⟩gpj.exe');
    expect(visibleText('a\u200bb\u0000')).toBe('a⟨U+200B⟩b␀');
    expect(visibleText('one\r\ntwo\tthree')).toBe('one\ntwo\tthree');
    expect(visibleLine('one\ntwo')).toBe('one␤two');
    expect(visibleText('שלום 日本 🧪')).toBe('שלום 日本 🧪');
});

test('a cut never splits a character in two', () => {
    expect(cutText('ab🧪', 3)).toBe('ab');
    expect(cutText('ab🧪', 4)).toBe('ab🧪');
    expect(cutText('abc', 2)).toBe('ab');
});

test.each([
    ['http', 'http://a.example/x', true],
    ['https with query', 'https://a.example/x?y=1', true],
    ['javascript', 'javascript:alert(1)', false],
    ['javascript behind spaces', ' javascript:alert(1)', false],
    ['data', 'data:text/html,x', false],
    ['javascript after a real one', 'https://a.example/\njavascript:alert(1)', false],
    ['turned direction', 'https://a.example/\u202egpj', false],
    ['vbscript', 'vbscript:x', false],
    ['text around it', 'see https://a.example', false],
    ['no host', 'https://', false],
])('a link or not: %s', (_why, text, isLink) => {
    expect(webAddress(text) !== null).toBe(isLink);
});

test('one and many', () => {
    expect(counted(1, 'span')).toBe('1 span');
    expect(counted(1204, 'span')).toBe('1,204 spans');
    expect(counted(2, 'match', 'matches')).toBe('2 matches');
});
