"""TMS-EEG: cleaning, evoked measures, connectivity, choice of site."""
