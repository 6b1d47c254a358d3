"""The randomised trial: allocation, conduct, analysis, simulation."""
