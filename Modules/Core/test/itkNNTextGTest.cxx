/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkNNText.h"

#include <gtest/gtest.h>

#include <cmath>

TEST(Text, LowerCaseOfLatinLettersOnly)
{
  EXPECT_EQ(itk::nn::ToLower("UniverSeg_AZaz.NII.gz"), "universeg_azaz.nii.gz");
  EXPECT_EQ(itk::nn::ToLower("@[`{09"), "@[`{09");
  EXPECT_EQ(itk::nn::ToLower("\xc3\x84\xc4"), "\xc3\x84\xc4");
  EXPECT_EQ(itk::nn::ToLower(""), "");
}

TEST(Text, NumbersWithDecimals)
{
  EXPECT_EQ(itk::nn::FormatFixed(1234.5678, 2), "1234.57");
  EXPECT_EQ(itk::nn::FormatFixed(std::nan(""), 2), "nan");
}

TEST(Text, MessagesInOneLine)
{
  EXPECT_EQ(itk::nn::ToOneLine("itk::ERROR: Filter(0x55d0c0ffee): bad\n  thing\n"), "bad thing");
  EXPECT_EQ(itk::nn::ToOneLine("plain"), "plain");
}
