/* The lists of /explore: a field narrows the one below it, without accents; buttons copy an address.
 *
 * Dash draws a page anew, so everything is listened to on the document.
 */
(function () {
  'use strict';

  function fold(text) {
    return text.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/[đĐ]/g, 'd')
      .toLowerCase().replace(/\s+/g, ' ').trim();
  }
  function listOf(field) {
    var label = field.closest && field.closest('[data-find]');
    return label && document.getElementById(label.dataset.find);
  }
  function boxes(list) { return Array.from(list.querySelectorAll('.dash-options-list-option')); }

  function narrow(field) {
    var list = listOf(field), phrase = fold(field.value), words = phrase.split(' ').filter(Boolean);
    var said = boxes(list).map(function (box) {
      return fold(box.textContent + ' ' + (box.getAttribute('title') || ''));
    });
    var whole = said.some(function (one) { return one.includes(phrase); }), many = 0;
    boxes(list).forEach(function (box, at) {  // as it was typed, else all its words in any order
      var fits = whole ? said[at].includes(phrase)
        : words.every(function (word) { return said[at].includes(word); });
      box.hidden = !fits;
      if (fits) many += 1;
    });
    list.querySelectorAll('fieldset, .explore-branch').forEach(function (group) {
      var left = boxes(group).filter(function (box) { return !box.hidden; });
      group.hidden = left.length === 0;
      if (group.matches('details')) {
        if (group.dataset.was === undefined) group.dataset.was = String(group.open);
        group.open = words.length ? left.length > 0 : group.dataset.was === 'true';
        if (!words.length) delete group.dataset.was;
      }
    });
    list.querySelectorAll('.explore-every').forEach(function (link) { link.hidden = words.length > 0; });
    list.querySelector('.explore-none').hidden = many > 0;
  }

  document.addEventListener('input', function (event) {
    if (listOf(event.target)) narrow(event.target);
  });
  document.addEventListener('keydown', function (event) {  // Enter ticks the first that is left
    var list = event.key === 'Enter' && listOf(event.target);
    if (!list) return;
    event.preventDefault();
    var first = boxes(list).find(function (box) {
      return !box.hidden && !box.querySelector('input').checked;
    });
    if (first && event.target.value.trim()) first.querySelector('input').click();
  });

  function say(button, words) {
    var before = button.dataset.word || button.textContent;
    button.dataset.word = before;
    button.textContent = words;
    clearTimeout(button.waiting);
    button.waiting = setTimeout(function () { button.textContent = before; }, 2500);
  }
  function byHand(text) {  // where the clipboard may not be written: over plain HTTP
    var field = document.createElement('textarea');
    field.value = text;
    document.body.append(field);
    field.select();
    var done = document.execCommand('copy');
    field.remove();
    return done ? Promise.resolve() : Promise.reject(new Error('copy'));
  }
  document.addEventListener('click', function (event) {
    var button = event.target.closest('[data-copy]');
    if (!button) return;
    var pinned = document.getElementById('explore-pinned-link');
    var text = button.dataset.copy === 'pinned' && pinned ? pinned.href
      : new URL(button.dataset.address || location.href, location.href).href;
    var write = navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject(new Error());
    write.catch(function () { return byHand(text); }).then(
      function () { say(button, 'Đã chép'); },
      function () { say(button, 'Hãy chép ở thanh địa chỉ'); });
  });
})();
