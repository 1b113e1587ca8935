/** Installs dependencies when they are missing or older than package-lock.json. */
import { ensureDependencies } from './support/repository.mjs';

ensureDependencies();
