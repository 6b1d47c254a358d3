# Reference numbers for the MMRM: Rscript mmrm.R FOLDER OUT.json [NAME ...]
# nlme::gls with corSymm and varIdent (unstructured), and lmer with a random intercept under pbkrtest (Kenward-Roger)
# and lmerTest (Satterthwaite), for every mmrm_NAME.csv of a folder.
suppressPackageStartupMessages({
  library(nlme); library(lme4); library(lmerTest); library(pbkrtest); library(jsonlite)
})

argument <- commandArgs(trailingOnly = TRUE)
folder <- argument[1]
chosen <- if (length(argument) > 2) argument[-(1:2)] else c("three_arms", "two_arms", "small")

# Arm-by-visit means, baseline by visit, centres: arms and visits in order, covariates centred over people.
prepare <- function(path) {
  d <- read.csv(path, stringsAsFactors = TRUE)
  people <- d[!duplicated(d$person), ]
  d$b <- d$baseline - mean(people$baseline)
  columns <- list()
  for (a in levels(d$arm)) for (v in levels(d$visit))
    columns[[paste(a, "at", v)]] <- as.numeric(d$arm == a & d$visit == v)
  for (v in levels(d$visit)) columns[[paste("baseline at", v)]] <- d$b * (d$visit == v)
  if ("centre" %in% names(d)) for (l in levels(d$centre)[-1])
    columns[[paste("centre", l)]] <- (d$centre == l) - mean(people$centre == l)
  X <- do.call(cbind, columns)
  d$X <- X
  d$time <- as.integer(d$visit)
  d
}

unstructured <- function(d) {
  fit <- gls(change ~ 0 + X, data = d, method = "REML",
             correlation = corSymm(form = ~ time | person), weights = varIdent(form = ~ 1 | visit),
             control = glsControl(tolerance = 1e-10, msTol = 1e-12, maxIter = 500, msMaxIter = 2000))
  r <- as.matrix(Initialize(corSymm(coef(fit$modelStruct$corStruct, unconstrained = FALSE),
                                    form = ~ t), data.frame(t = seq_len(nlevels(d$visit)))) |> corMatrix())
  ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)[levels(d$visit)]
  sd <- fit$sigma * ratio
  b <- unname(coef(fit))
  list(names = colnames(d$X), beta = b, se = unname(sqrt(diag(vcov(fit)))),
       loglik = as.numeric(logLik(fit)), v = unname(r * outer(sd, sd)))
}

intercept <- function(d) {
  tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-14, maxeval = 10000),
                       check.conv.singular = "ignore")
  fit <- lmerTest::lmer(change ~ 0 + X + (1 | person), data = d, REML = TRUE, control = tight)
  plain <- lme4::lmer(change ~ 0 + X + (1 | person), data = d, REML = TRUE, control = tight)
  adjusted <- as.matrix(vcovAdj(plain))
  visits <- nlevels(d$visit); arms <- nlevels(d$arm); p <- ncol(d$X)
  rows <- t(sapply(seq_len(visits), function(v) {
    row <- numeric(p); row[v] <- -1; row[(arms - 1) * visits + v] <- 1; row }))
  one <- lapply(seq_len(visits), function(v) {
    s <- contest1D(fit, rows[v, ], ddf = "Satterthwaite")
    list(row = rows[v, ], estimate = sum(rows[v, ] * fixef(plain)),
         se = sqrt(drop(t(rows[v, ]) %*% adjusted %*% rows[v, ])), df = get_Lb_ddf(plain, rows[v, ]),
         satterthwaite_se = s[["Std. Error"]], satterthwaite_df = s[["df"]])
  })
  kr <- KRmodcomp(plain, rows)$test
  sw <- contestMD(fit, rows, ddf = "Satterthwaite")
  list(loglik = as.numeric(logLik(plain)), beta = unname(fixef(plain)),
       covariance = c(as.numeric(VarCorr(plain)$person), sigma(plain)^2),
       adjusted_se = unname(sqrt(diag(adjusted))), contrasts = one,
       joint = list(rows = rows, f = kr["Ftest", "stat"], df = kr["Ftest", "ddf"],
                    scale = kr["Ftest", "F.scaling"], p = kr["Ftest", "p.value"],
                    satterthwaite_f = sw[["F value"]], satterthwaite_df = sw[["DenDF"]]))
}

result <- list(versions = lapply(c(nlme = "nlme", lme4 = "lme4", lmerTest = "lmerTest", pbkrtest = "pbkrtest"),
                                 function(x) as.character(packageVersion(x))),
               R = R.version.string)
for (name in chosen) {
  d <- prepare(file.path(folder, paste0("mmrm_", name, ".csv")))
  result[[name]] <- list(unstructured = unstructured(d), intercept = intercept(d))
}
writeLines(toJSON(result, digits = NA, auto_unbox = TRUE, pretty = TRUE), argument[2])
