import { render } from 'preact';
import { App } from './App';
import { applyTheme } from './settings';
import './style/theme.css';
import './style/base.css';
import './style/search.css';
import './style/trace.css';
import './style/detail.css';

applyTheme();
render(<App />, document.getElementById('app')!);
